"""Releases: made into archives, installed, compared, told apart."""

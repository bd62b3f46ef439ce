"""Channels besides the telephone: mail, web chat, social media."""

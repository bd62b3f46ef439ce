"""Calendars: when something is open, by weekly plans, holidays and exceptions, in any zone."""

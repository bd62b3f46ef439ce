"""Reference tables: what routing knows of numbers, products, services and routing points.

The tables are those of the original system, under the names that operators know. Each is loaded
from CSV, checked, packed into one block of memory and switched to by one assignment.
"""

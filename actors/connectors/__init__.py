"""What odbcServer decides, without doing it: breakers, cache, flights, hosts and their roles.

Every module is a pure core: what happens and the time go in, what is to be done comes out.
"""

"""The node's API: what may be asked, by whom, over which transport."""

"""A fair experiment: a plan written first, runs that resume, one page of results."""

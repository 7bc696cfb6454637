"""A fair experiment: a plan that is written first, runs that resume, one page of results."""

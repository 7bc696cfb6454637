"""What people read: tables, plots, RESULTS.md, rows to compare with."""

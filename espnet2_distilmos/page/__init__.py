"""The page to look at and listen to: one HTML file that needs no network."""

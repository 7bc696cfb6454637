"""A corpus of the user's own: one CSV, `wav,mos[,system][,split]`."""

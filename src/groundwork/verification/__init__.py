"""`make verify`: a rerun of HEAD from nothing, held against what is committed."""

"""One module per layout of data sets; each reads lazily and names file and field in errors."""

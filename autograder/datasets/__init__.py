"""The data sets that assignments may ask for, each read from whatever a course has of it."""

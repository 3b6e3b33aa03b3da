"""Networks as data: weighed, taken apart, evaluated and compared, with no code of a student's."""

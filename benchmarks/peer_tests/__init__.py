"""The same checks as a grading's, for other tools to run: each of direct.CHECKS is one test.

The other tools' environment runs them, with this project on PYTHONPATH; SUBMISSION names the student's module
and SEED the cases.
"""

"""What an excellent student would hand in, and the slips that others make.

Nothing in here ever enters the sandbox or the public bundle.
"""

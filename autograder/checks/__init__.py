"""What graders call: each module judges one kind of thing that a student hands in."""

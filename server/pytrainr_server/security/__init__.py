"""Who may call, and how the line is kept private."""

"""The words of other platforms, and of plain speech, put into ours: a room for each kind of words."""

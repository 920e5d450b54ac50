"""The verbs, one file or folder for each noun; the first line of each is access.require."""

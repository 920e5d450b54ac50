"""Long work as journaled steps that survive a crash at any point; knows no noun."""

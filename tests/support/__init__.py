"""What several folders of tests start, wait for and end."""

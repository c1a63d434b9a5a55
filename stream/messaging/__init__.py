"""What leaves the daemon and how: topics, message types, publisher and subscriber."""

"""Ways to reach people with alerts."""

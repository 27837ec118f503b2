"""What `pipectl doctor` looks at."""

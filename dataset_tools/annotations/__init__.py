"""What people, or rules, say of a sequence over time: tracks by several raters."""

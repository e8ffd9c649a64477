"""What Eve's figures are measured with; docs/performance.md has the commands and what came out."""

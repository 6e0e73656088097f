"""System checks: settings that contradict each other are found at start, not at the first fault."""

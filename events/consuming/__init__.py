"""From an event to the bots subscribed to it: consumers, policies, effects that happen once."""

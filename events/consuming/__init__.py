"""From an event to the bots that wait for it: consumers, policies, deliveries that happen once."""

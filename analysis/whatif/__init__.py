"""What if a parameter, a definition or the policy for gaps were another one: which triggers would change, and for how
many. ``changes`` are what may be supposed, ``replay`` judges all registered conditions with and without one."""

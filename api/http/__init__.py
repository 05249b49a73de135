"""What any HTTP service needs: connections, bodies, limits, problems."""

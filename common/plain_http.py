"""Questions by plain HTTP to processes on this machine."""

from ssl import PROTOCOL_TLS_CLIENT, SSLContext

WITHOUT_CERTIFICATES = SSLContext(PROTOCOL_TLS_CLIENT)
"""What a client that speaks plain HTTP verifies: it trusts nobody. By default httpx loads the system's certificates for
each client, which takes several times as long as the question."""

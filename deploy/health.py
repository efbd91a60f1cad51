"""Exit with 0 where the server on this machine answers; with or without TLS.

python health.py [PORT]
"""

from __future__ import annotations

import http.client
import ssl
import sys
import urllib.request

PORT = sys.argv[1] if len(sys.argv) > 1 else "8765"

# It asks only whether somebody is there: whom the certificate names is not its business.
anybody = ssl._create_unverified_context()
direct = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anybody)
)
reasons = []
for scheme in ("http", "https"):
    try:
        with direct.open(f"{scheme}://127.0.0.1:{PORT}/health", timeout=4) as answer:
            sys.exit(0 if b'"ok"' in answer.read() else 1)
    except (OSError, http.client.HTTPException) as error:
        reasons.append(f"{scheme}: {error}")
sys.exit("; ".join(reasons))

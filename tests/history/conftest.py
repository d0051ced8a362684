"""What takes minutes is collected only when somebody has minutes."""

import os

collect_ignore = [] if float(os.environ.get("CALLBOARD_SOAK_SECONDS", "0")) >= 60 else ["test_whole_scope.py"]

"""What takes minutes is collected only when somebody has minutes."""

import os

_LONG = ["test_machine_mutants.py", "test_whole_scope.py"]

collect_ignore = [] if float(os.environ.get("CALLBOARD_SOAK_SECONDS", "0")) >= 60 else _LONG

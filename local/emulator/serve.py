"""Start the emulator with its gaps filled: `python -m local.emulator.serve`, in its environment."""

import sys
from importlib.metadata import version

PINNED = "1.5.33"


def main() -> None:
    found = version("ministack")
    if found != PINNED:
        sys.exit(
            f"the emulator is ministack {found}, and the gaps are filled for {PINNED}: run"
            " `make setup`, or go through local/emulator/gaps and raise PINNED"
        )
    from ministack.app import main as serve  # starting a wrong version could already fail

    from local.emulator import gaps

    gaps.apply()
    serve()


if __name__ == "__main__":
    main()

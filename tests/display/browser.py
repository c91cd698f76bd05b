"""Open pages in Chromium, without a driver, and measure them."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)

HARNESS = (Path(__file__).parent / "harness.html").read_text(encoding="utf8")


def browse(cases, folder, *, dark=False):
    """Open pages and measure them.

    cases (dict): By name, dicts with "html", "width" and "action": code that is run
        after the arcs are drawn, with the variables `page` and `view`.
    folder (Path): For files.
    dark (bool): Whether the user prefers dark pages.
    RETURNS (dict): The measures of each case.
    """
    # an opening tag in a text would end the script element
    data = json.dumps(cases).replace("<", "\\u003c")
    path = folder / "harness.html"
    path.write_text(HARNESS.replace("CASES", data, 1), encoding="utf8")
    result = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=60000", "--window-size=1400,2000"),
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.search(r'<pre id="results">(.*?)</pre>', result.stdout, re.DOTALL)
    assert found, result.stderr[-2000:]
    results = json.loads(html.unescape(found[1]))
    for name, measured in results.items():
        assert isinstance(measured, dict), f"{name}: {measured}"
    return results

#!/usr/bin/env python3
"""Every target of the comparisons whose results lie in build/bench, as a table in Markdown: `python3 bench/lib/summary.py`."""
import glob
import json
import os

import bench


def row(*cells):
    print("| " + " | ".join(cells) + " |")


row("bench", "what", "measured", "wanted", "", "load before, after")
row("---", "---", "---:", "---:", "---", "---")
for path in sorted(glob.glob(os.path.join(bench.OUT, "*.json"))):
    with open(path) as file:
        data = json.load(file)
    load = f"{data['load_before']:.1f}, {data['load_after']:.1f}" if "load_before" in data else ""
    for target in data.get("targets", []):
        aim = f", aim {target['aim']:g}" if target["aim"] is not None else ""
        row(data["name"], target["what"], f"{target['value']:.4g}",
            f"{'≤' if target['below'] else '≥'} {target['bound']:g}{aim}", "reached" if target["reached"] else "**not**", load)
    for skipped in data.get("skipped", []):
        row(data["name"], skipped, "", "", "skipped", load)

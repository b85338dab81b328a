"""Verification: two runs compared, the ladder, the verdict, and the report."""

from aishw.verify.compare import Comparison, Slip, compare
from aishw.verify.images import image, psnr, write_grid
from aishw.verify.ladder import Part, Rung, Step, Verdict, climb, verdict
from aishw.verify.record import EnergyLine, Report, comparison_record, record
from aishw.verify.report import check_folder, write_report
from aishw.verify.sensitivity import Sensitivity, sensitivity
from aishw.verify.slips import SlipForecast, forecast_slips

__all__ = [
    "Comparison",
    "EnergyLine",
    "Part",
    "Report",
    "Rung",
    "Sensitivity",
    "Slip",
    "SlipForecast",
    "Step",
    "Verdict",
    "check_folder",
    "climb",
    "compare",
    "comparison_record",
    "forecast_slips",
    "image",
    "psnr",
    "record",
    "sensitivity",
    "verdict",
    "write_grid",
    "write_report",
]

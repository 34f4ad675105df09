// Package report is what a run of the wind tunnel yields, and the forms in which people read it: JSON, a summary for the
// terminal, an HTML page with charts, CSV, and the comparison of several runs. Nothing is simulated or decided here; the
// engine fills in a Result, and everything else is derived from it.
//
// An unknown is never a zero: numbers that a run may not know are Values, and an unknown Value is null in JSON, an empty
// cell in CSV, a gap in a chart and a dash in a table.
package report

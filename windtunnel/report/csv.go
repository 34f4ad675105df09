package report

import (
	"encoding/csv"
	"io"
	"time"
)

// WriteCSV writes every series as a column, one row a point. What is unknown is an empty cell.
func (r *Result) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	header := []string{"seconds", "time"}
	var columns []Series
	eachSeries(r, func(name string, s Series) {
		if known(s) {
			header = append(header, name)
			columns = append(columns, s)
		}
	})
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range r.Axis.Points {
		at := r.Axis.At(i)
		row := []string{Value(at).text(), r.Start.Add(time.Duration(at * float64(time.Second))).UTC().Format(time.RFC3339)}
		for _, column := range columns {
			row = append(row, cell(column[i]))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// WriteDecisionsCSV writes the decisions, one a row.
func (r *Result) WriteDecisionsCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"seconds", "scaler", "kind", "object", "from", "to", "reason"}); err != nil {
		return err
	}
	for _, d := range r.Decisions {
		if err := out.Write([]string{cell(d.At), d.Scaler, d.Kind, d.Object, d.From, d.To, d.Reason}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func cell(v Value) string {
	if !v.Known() {
		return ""
	}
	return v.text()
}

package subtitle

// Width is how tests count columns.
var Width = width

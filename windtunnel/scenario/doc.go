// Package scenario is the file that describes a run of the wind tunnel: what load comes, what the pods cost, which cluster there
// is, and what was promised to users. Reading is strict: every mistake of a file is reported at once, with the line, the
// field, and what was expected there. What the parameters mean is written where they are used, in the models.
package scenario

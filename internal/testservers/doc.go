// Package testservers runs the real RabbitMQ, Redis and PostgreSQL of Debian, and FerretDB in MongoDB's place, for tests and for the
// programs that measure: each on ports of its own on the loopback address, with all its files in a folder of the caller's,
// and gone without a trace when it is stopped. It starts, kills and restarts servers, and [Proxy] cuts them off; what is
// done with them is the business of whoever runs them. No service uses it.
package testservers

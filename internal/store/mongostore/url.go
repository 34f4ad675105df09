package mongostore

import (
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"k8s-scalers/internal/caption"
)

// clientOptions returns the driver's options and the name of the database.
func clientOptions(cfg Config) (o *options.ClientOptions, database string, err error) {
	database, err = databaseOf(cfg.URL)
	if err != nil {
		return nil, "", err
	}
	o = options.Client().ApplyURI(cfg.URL)
	if err := o.Validate(); err != nil {
		return nil, "", badURL(cfg.URL, err)
	}
	o.SetAppName("captions")
	o.SetServerSelectionTimeout(cfg.Timeout)
	o.SetConnectTimeout(cfg.Timeout)
	// What was written is on most of the members before it is acknowledged, so that no election undoes it; and what most of the
	// members have is all that is read, from the primary, which by then has all that was acknowledged.
	o.SetWriteConcern(writeconcern.Majority())
	o.SetReadConcern(readconcern.Majority())
	o.SetReadPreference(readpref.Primary())
	if o.RetryWrites == nil {
		o.SetRetryWrites(false) // DocumentDB refuses them. Nothing here needs them: every change can be made again.
	}
	// So fields of the domain have one name, here and in the interface.
	o.SetBSONOptions(&options.BSONOptions{UseJSONStructTags: true})
	return o, database, nil
}

// databaseOf returns the path of the URL. There may be several hosts in it, so package net/url cannot read it.
func databaseOf(rawURL string) (string, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok || scheme != "mongodb" && scheme != "mongodb+srv" {
		return "", badURL(rawURL, nil)
	}
	rest, _, _ = strings.Cut(rest, "?")
	_, path, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(path)
	if err != nil || name == "" || strings.ContainsAny(name, "/\\. \"$\x00") {
		return "", badURL(rawURL, err)
	}
	return name, nil
}

// badURL tells of a URL without showing it, because there may be a password in it.
func badURL(rawURL string, err error) error {
	e := caption.Errorf(caption.KindInvalid,
		"The URL of the store must be that of a database of MongoDB or DocumentDB, such as mongodb://user:password@host:27017/captions.").WithCode("bad_settings")
	if err != nil && strings.Contains(err.Error(), "@") {
		return e
	}
	if err != nil {
		e.Message += " This one: " + strings.ReplaceAll(err.Error(), rawURL, "…")
	}
	return e
}

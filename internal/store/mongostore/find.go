package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// newestFirst is the order of lists.
var newestFirst = bson.D{{Key: "created", Value: -1}, {Key: "_id", Value: -1}}

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// find returns what of makes of the documents that match, which are read one by one.
func find[D, T any](ctx context.Context, c *mongo.Collection, filter any, o *options.FindOptionsBuilder, of func(D) T) ([]T, error) {
	var found []T
	err := each(ctx, c, filter, o, func(d D) error {
		found = append(found, of(d))
		return nil
	})
	return found, err
}

// each calls f with each document that matches.
func each[D any](ctx context.Context, c *mongo.Collection, filter any, o *options.FindOptionsBuilder, f func(D) error) error {
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }() // The server forgets it by itself, too.
	for cursor.Next(ctx) {
		var d D
		if err := cursor.Decode(&d); err != nil {
			return err
		}
		if err := f(d); err != nil {
			return err
		}
	}
	return cursor.Err()
}

// Package minkpb has the messages and services of Mink as they are in the protos, for what package mink does not do itself.
package minkpb

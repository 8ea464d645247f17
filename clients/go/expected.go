package mink

import (
	"strconv"

	"github.com/mink-es/mink/clients/go/minkpb"
)

// Expected is what the caller of an append expects of the stream: [Any], [NoStream], [StreamExists], or a [Version]. Its zero value
// expects nothing, and is refused by the server. Values can be compared with ==.
type Expected struct {
	state   minkpb.ExpectedState
	exact   bool
	version int64
}

var (
	// Any is: whatever the stream is.
	Any = Expected{state: minkpb.ExpectedState_ANY}
	// NoStream is: the stream does not exist; nothing was ever appended to it, or it was deleted.
	NoStream = Expected{state: minkpb.ExpectedState_NO_STREAM}
	// StreamExists is: the stream exists, at whatever version.
	StreamExists = Expected{state: minkpb.ExpectedState_STREAM_EXISTS}
)

// Version is: the stream has this version. 0: it does not exist.
func Version(version int64) Expected {
	return Expected{exact: true, version: version}
}

// Version says which version is expected, if it is one that is.
func (e Expected) Version() (version int64, exact bool) {
	return e.version, e.exact
}

// String is ANY, NO_STREAM, STREAM_EXISTS, or the version.
func (e Expected) String() string {
	if e.exact {
		return strconv.FormatInt(e.version, 10)
	}
	return e.state.String()
}

// What follows writes an expectation into each of the three requests that have one.

func (e Expected) toStream(request *minkpb.AppendToStreamRequest) {
	if e.exact {
		request.Expectation = &minkpb.AppendToStreamRequest_ExactVersion{ExactVersion: e.version}
	} else if e.state != 0 {
		request.Expectation = &minkpb.AppendToStreamRequest_State{State: e.state}
	}
}

func (e Expected) toPart(request *minkpb.StreamAppend) {
	if e.exact {
		request.Expectation = &minkpb.StreamAppend_ExactVersion{ExactVersion: e.version}
	} else if e.state != 0 {
		request.Expectation = &minkpb.StreamAppend_State{State: e.state}
	}
}

func (e Expected) toDeletion(request *minkpb.DeleteStreamRequest) {
	if e.exact {
		request.Expectation = &minkpb.DeleteStreamRequest_ExactVersion{ExactVersion: e.version}
	} else if e.state != 0 {
		request.Expectation = &minkpb.DeleteStreamRequest_State{State: e.state}
	}
}

// expectedOf reads the expectation that a violation tells of.
func expectedOf(violation *minkpb.ExpectationViolation) Expected {
	if exact, ok := violation.GetExpectation().(*minkpb.ExpectationViolation_ExactVersion); ok {
		return Version(exact.ExactVersion)
	}
	return Expected{state: violation.GetState()}
}

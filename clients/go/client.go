// Command client decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this
// file.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	rpc "google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	pratique "pratique/v1"
)

// A call that found no server is tried again, within its deadline.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "pratique.v1.DecisionService"}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// fields are the members of a JSON object.
type fields map[string]json.RawMessage

type scenario struct {
	DeadlineSeconds float64 `json:"deadline_seconds"`
	Steps           []step
}

type step struct {
	Name      string
	Decide    fields
	Answers   map[string]fields
	Otherwise *uint64 `json:"else_min_revision"`
	Batch     []fields
	Stream    [][]fields
}

func openConnection(target, ca, cert, key string) (*grpc.ClientConn, error) {
	transport := grpc.WithInsecure()
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		config := &tls.Config{RootCAs: x509.NewCertPool()}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it", ca)
		}
		if cert != "" {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return nil, err
			}
			config.Certificates = []tls.Certificate{pair}
		}
		transport = grpc.WithTransportCredentials(credentials.NewTLS(config))
	}
	return grpc.Dial(target, transport, grpc.WithDefaultServiceConfig(serviceConfig))
}

func requestOf(told fields) *pratique.DecideRequest {
	text, err := json.Marshal(told)
	request := &pratique.DecideRequest{}
	if err == nil {
		err = protojson.Unmarshal(text, request)
	}
	if err != nil {
		log.Fatal(err)
	}
	return request
}

func requestsOf(all []fields) []*pratique.DecideRequest {
	requests := make([]*pratique.DecideRequest, 0, len(all))
	for _, told := range all {
		requests = append(requests, requestOf(told))
	}
	return requests
}

// ---- what is printed ----

func say(format string, args ...interface{}) {
	fmt.Printf("  "+format+"\n", args...)
}

// short is REFER for the value OUTCOME_REFER of the enum Outcome.
func short(prefix string, value fmt.Stringer) string {
	return strings.TrimPrefix(value.String(), prefix)
}

func showDecision(d *pratique.Decision, rules []*pratique.Rule) {
	say("%s under %s as of %s", short("OUTCOME_", d.Outcome), d.Jurisdiction, d.AsOf)
	if d.Outcome == pratique.Outcome_OUTCOME_NEEDS_INFORMATION {
		say("between %s and %s", short("OUTCOME_", d.Best), short("OUTCOME_", d.Worst))
	}
	if d.ReviewPolicy != pratique.ReviewPolicy_REVIEW_POLICY_UNSPECIFIED {
		say("review policy: %s", short("REVIEW_POLICY_", d.ReviewPolicy))
	}
	for _, r := range d.Requirements {
		verb := "may require"
		if r.Certain {
			verb = "requires"
		}
		say("%s %s %s: %s", verb, r.Authority, r.Reason, rules[r.Rule.GetIndex()].Cite)
	}
	for _, a := range d.Available {
		say("available %s: %s", a.Name, rules[a.Rule.GetIndex()].Cite)
	}
	for _, m := range d.Missing {
		say("missing %s: %s", m.Name, m.Question)
	}
	for _, w := range d.Warnings {
		say("warning: %s", w.Text)
	}
}

func showStatus(s *status.Status) (reason string) {
	say("refused %d: %s", s.Code(), s.Message())
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *rpc.ErrorInfo:
			reason = detail.Reason
			say("reason %s", reason)
		case *rpc.BadRequest:
			for _, v := range detail.FieldViolations {
				say("field %s: %s", v.Field, v.Description)
			}
		}
	}
	return reason
}

func showResults(results []*pratique.DecideResult, rules []*pratique.Rule) {
	for i, result := range results {
		say("[%d]", i)
		if decided := result.GetDecided(); decided != nil {
			showDecision(decided.Decision, rules)
		} else {
			showStatus(status.FromProto(result.GetError()))
		}
	}
}

// ---- the three ways to ask ----

// known are the names of missing facts of which the scenario knows something that was not told.
func known(missing []*pratique.MissingFact, answers map[string]fields, told fields) []string {
	var names []string
	for _, m := range missing {
		answer, ok := answers[m.Name]
		for key := range answer {
			_, before := told[key]
			ok = ok && !before
		}
		if ok {
			names = append(names, m.Name)
		}
	}
	return names
}

func decide(client pratique.DecisionServiceClient, s step, within time.Duration) error {
	told, otherwise := s.Decide, s.Otherwise
	for {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		answer, err := client.Decide(ctx, requestOf(told))
		cancel()
		if err != nil {
			// The server is behind. Another one may not be; or older law will do, if whoever asks says so.
			if showStatus(status.Convert(err)) != "REVISION_NOT_REACHED" || otherwise == nil {
				return nil
			}
			say("asked again for revision %d", *otherwise)
			told["min_revision"] = json.RawMessage(fmt.Sprint(*otherwise))
			otherwise = nil
			continue
		}
		showDecision(answer.Decision, answer.Rules)
		if _, asked := told["min_revision"]; asked {
			say("by revision %d", answer.Revision.GetSequence())
		}
		// What is missing is named. Whoever knows it is asked; here the scenario knows.
		names := known(answer.Decision.Missing, s.Answers, told)
		if len(names) == 0 {
			return nil
		}
		for _, name := range names {
			say("told %s", name)
			for key, value := range s.Answers[name] {
				told[key] = value
			}
		}
	}
}

func decideBatch(client pratique.DecisionServiceClient, s step, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	answer, err := client.BatchDecide(ctx, &pratique.BatchDecideRequest{Requests: requestsOf(s.Batch)})
	if err != nil {
		return err
	}
	showResults(answer.Results, answer.Rules)
	return nil
}

func decideStream(client pratique.DecisionServiceClient, s step, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	stream, err := client.StreamDecide(ctx)
	if err != nil {
		return err
	}
	go func() {
		for _, frame := range s.Stream {
			if stream.Send(&pratique.StreamDecideRequest{Requests: requestsOf(frame)}) != nil {
				return
			}
		}
		stream.CloseSend()
	}()
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		say("frame")
		showResults(answer.Results, answer.Rules)
	}
}

func main() {
	ca := flag.String("ca", "", "certificates of who signed the server's; TLS is used if given")
	cert := flag.String("cert", "", "own certificate, for mTLS")
	key := flag.String("key", "", "its key")
	log.SetFlags(0)
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: client [-ca FILE [-cert FILE -key FILE]] TARGET SCENARIO")
	}
	text, err := os.ReadFile(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	var all scenario
	if err := json.Unmarshal(text, &all); err != nil {
		log.Fatalf("%s: %v", flag.Arg(1), err)
	}
	connection, err := openConnection(flag.Arg(0), *ca, *cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := pratique.NewDecisionServiceClient(connection)
	within := time.Duration(all.DeadlineSeconds * float64(time.Second))
	for _, s := range all.Steps {
		fmt.Println(s.Name)
		ask := decideStream
		if s.Decide != nil {
			ask = decide
		} else if s.Batch != nil {
			ask = decideBatch
		}
		if err := ask(client, s, within); err != nil {
			showStatus(status.Convert(err))
		}
	}
}

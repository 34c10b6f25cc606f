// An IVR that reports one call, step by step: run it, or copy what you need. It needs Go 1.22 and nothing beside:
//
//	go run examples/ivr_sender.go -intake http://127.0.0.1:8001 -key gridline-dev-ivr-key -account A0900001
//	go run examples/ivr_sender.go -secret whsec_... -account A0900001
//
// It shows what docs/channels-phone-web.md and docs/senders.md ask of a sender, and no more: each event has an id of its
// own that never changes; without an answer, and at 429 and 503, the same bytes are sent again with the same id, after
// Retry-After; with a secret the bytes are signed by Standard Webhooks, anew at each try, as a signature is good for 300 s.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const tries = 30

type sender struct {
	intake, key, secret string
	client              http.Client
}

// sign makes the webhook-signature of the bytes of a body.
func sign(secret, id, stamp string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "", fmt.Errorf("the secret is not base64 after whsec_: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

func (s *sender) try(id string, body []byte) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodPost, s.intake+"/v1/phone/events", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if s.secret == "" {
		request.Header.Set("X-API-Key", s.key)
		request.Header.Set("Idempotency-Key", id)
		return s.client.Do(request)
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	signature, err := sign(s.secret, id, stamp, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("webhook-id", id) // it names the event: no Idempotency-Key beside it
	request.Header.Set("webhook-timestamp", stamp)
	request.Header.Set("webhook-signature", signature)
	return s.client.Do(request)
}

// send returns the answer to an event once it is kept, or why it never will be.
func (s *sender) send(id string, event map[string]any) (string, error) {
	body, err := json.Marshal(event) // once: what is sent again is the same, byte for byte
	if err != nil {
		return "", err
	}
	for range tries {
		wait := time.Second
		answer, err := s.try(id, body)
		if err == nil {
			said, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			switch answer.StatusCode {
			case http.StatusAccepted:
				return string(said), nil
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
					wait = time.Duration(seconds) * time.Second
				}
			default:
				return "", fmt.Errorf("refused: %d %s", answer.StatusCode, said)
			}
		}
		time.Sleep(wait)
	}
	return "", fmt.Errorf("no answer about %s in %d tries", id, tries)
}

func main() {
	s := sender{client: http.Client{Timeout: 10 * time.Second}}
	flag.StringVar(&s.intake, "intake", "http://127.0.0.1:8001", "address of Gridline's intake")
	flag.StringVar(&s.key, "key", "gridline-dev-ivr-key", "the source's key")
	flag.StringVar(&s.secret, "secret", "", "the source's secret, to sign instead: whsec_...")
	account := flag.String("account", "A0900001", "account the caller keys in")
	call := flag.String("call", fmt.Sprintf("go-%d", time.Now().UnixNano()), "id of the call, never used again")
	flag.Parse()
	for n, event := range []map[string]any{
		{"event": "started", "ani": "13800138000", "language": "zh-CN"},
		{"event": "dtmf", "menu_path": []string{"1"}, "account_no": *account},
		{"event": "ended", "menu_path": []string{"1"}},
	} {
		event["external_call_id"] = *call
		event["occurred_at"] = time.Now().Format(time.RFC3339)
		answer, err := s.send(fmt.Sprintf("%s-%d", *call, n), event)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer)
	}
}

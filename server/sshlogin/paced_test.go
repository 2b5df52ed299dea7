package sshlogin

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

func FuzzFrames(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 3)
	f.Add([]byte("\n\nSSH-\n\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff"), 1)
	f.Fuzz(func(t *testing.T, sent []byte, most int) {
		var stream frames
		for len(sent) > 0 {
			left := stream.left()
			if left <= 0 {
				t.Fatalf("%d bytes are left before %q", left, sent)
			}
			n := min(left, len(sent), max(most, 1))
			if packets := stream.take(sent[:n]); packets < 0 || packets > 1 {
				t.Fatalf("%d packets end with %q", packets, sent[:n])
			}
			sent = sent[n:]
		}
	})
}

// rawClient is a client that does not wait for answers.
type rawClient struct {
	t       *testing.T
	conn    net.Conn
	session []byte // its id
	seal    cipher.AEAD
	nonce   []byte
}

type kexInit struct {
	Cookie                          [16]byte `sshtype:"20"`
	Exchanges, HostKeys             []string
	CiphersOut, CiphersIn           []string
	MACsOut, MACsIn                 []string
	CompressionsOut, CompressionsIn []string
	LanguagesOut, LanguagesIn       []string
	FirstFollows                    bool
	Reserved                        uint32
}

const rawVersion = "SSH-2.0-raw"

// exchangeKeys agrees on a key to seal with. It trusts the server.
func exchangeKeys(t *testing.T, conn net.Conn) *rawClient {
	t.Helper()
	c := &rawClient{t: t, conn: conn}
	read := bufio.NewReader(conn)
	c.write([]byte(rawVersion + "\r\n"))
	version, err := read.ReadString('\n')
	if err != nil {
		t.Fatalf("read version: %v", err)
	}
	algorithms := []string{ssh.CipherAES128GCM}
	none := []string{"none"}
	mine := ssh.Marshal(&kexInit{
		Exchanges: []string{ssh.KeyExchangeCurve25519}, HostKeys: []string{ssh.KeyAlgoED25519},
		CiphersOut: algorithms, CiphersIn: algorithms, MACsOut: []string{ssh.HMACSHA256}, MACsIn: []string{ssh.HMACSHA256},
		CompressionsOut: none, CompressionsIn: none,
	})
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	public := private.PublicKey().Bytes()
	c.writeClear(mine)
	c.writeClear(ssh.Marshal(struct {
		Public []byte `sshtype:"30"`
	}{public}))
	theirs := readClear(t, read)
	var reply struct {
		HostKey   []byte `sshtype:"31"`
		Public    []byte
		Signature []byte
	}
	if err := ssh.Unmarshal(readClear(t, read), &reply); err != nil {
		t.Fatalf("answer to the key exchange: %v", err)
	}
	server, err := ecdh.X25519().NewPublicKey(reply.Public)
	if err != nil {
		t.Fatalf("key of the server: %v", err)
	}
	shared, err := private.ECDH(server)
	if err != nil {
		t.Fatalf("shared secret: %v", err)
	}
	secret := ssh.Marshal(struct{ K *big.Int }{new(big.Int).SetBytes(shared)})
	digest := sha256.Sum256(append(ssh.Marshal(struct {
		ClientVersion, ServerVersion string
		Client, Server               []byte
		HostKey, ClientKey, Key      []byte
	}{rawVersion, string(bytes.TrimRight([]byte(version), "\r\n")), mine, theirs, reply.HostKey, public, reply.Public}), secret...))
	c.session = digest[:]
	c.writeClear([]byte{typeNewKeys})
	c.nonce = c.derive(secret, 'A')[:12]
	block, err := aes.NewCipher(c.derive(secret, 'C')[:16])
	if err != nil {
		t.Fatalf("cipher: %v", err)
	}
	if c.seal, err = cipher.NewGCM(block); err != nil {
		t.Fatalf("cipher: %v", err)
	}
	return c
}

func (c *rawClient) derive(secret []byte, letter byte) []byte {
	key := sha256.Sum256(bytes.Join([][]byte{secret, c.session, {letter}, c.session}, nil))
	return key[:]
}

func (c *rawClient) write(p []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(p); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *rawClient) writeClear(payload []byte) {
	c.t.Helper()
	c.write(padded(payload, 8, 4))
}

// padded gives the packet of the payload: all of it, but for the first bytes
// uncounted, is a multiple of the block.
func padded(payload []byte, block, counted int) []byte {
	padding := block - (counted+1+len(payload))%block
	if padding < 4 {
		padding += block
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	packet = append(append(packet, byte(padding)), payload...)
	return append(packet, make([]byte, padding)...)
}

func readClear(t *testing.T, from io.Reader) []byte {
	t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(from, head); err != nil {
		t.Fatalf("read packet: %v", err)
	}
	rest := make([]byte, binary.BigEndian.Uint32(head)-1)
	if _, err := io.ReadFull(from, rest); err != nil {
		t.Fatalf("read packet: %v", err)
	}
	return rest[:len(rest)-int(head[4])]
}

// sealed gives the next packet.
func (c *rawClient) sealed(payload []byte) []byte {
	packet := padded(payload, 16, 0)
	packet = append(packet[:4:4], c.seal.Seal(nil, c.nonce, packet[4:], packet[:4])...)
	binary.BigEndian.PutUint64(c.nonce[4:], binary.BigEndian.Uint64(c.nonce[4:])+1)
	return packet
}

// proof gives the request that proves the key of alice's.
func (c *rawClient) proof(key ssh.Signer) []byte {
	c.t.Helper()
	request := ssh.Marshal(struct {
		User            string `sshtype:"50"`
		Service, Method string
		Signed          bool
		Algorithm       string
		Key             []byte
	}{alice, "ssh-connection", "publickey", true, key.PublicKey().Type(), key.PublicKey().Marshal()})
	signature, err := key.Sign(rand.Reader, append(ssh.Marshal(struct{ Session []byte }{c.session}), request...))
	if err != nil {
		c.t.Fatalf("sign: %v", err)
	}
	return append(request, ssh.Marshal(struct{ Signature []byte }{ssh.Marshal(signature)})...)
}

// A client that sends on when the library has given up on it leaves nothing
// behind: the test ends only when all goroutines did.
func TestPacketsBehindAnEndAreLetGo(t *testing.T) {
	t.Parallel()
	userauth := ssh.Marshal(struct {
		Name string `sshtype:"5"`
	}{"ssh-userauth"})
	none := ssh.Marshal(struct {
		User            string `sshtype:"50"`
		Service, Method string
	}{alice, "ssh-connection", "none"})
	request := ssh.Marshal(struct {
		Name  string `sshtype:"80"`
		Reply bool
	}{"nonsense", false})
	noChannel := ssh.Marshal(struct {
		Channel uint32 `sshtype:"94"`
		Data    []byte
	}{99, nil})
	for _, c := range []struct {
		name string
		// offers a key, proves one that is known
		offers, proves bool
		// packets are sent, then the last of them again and again
		packets [][]byte
	}{
		{"malformed", false, false, [][]byte{userauth, none}},
		{"refused", false, false, [][]byte{none}},
		{"ignored", false, false, [][]byte{{2, 0, 0, 0, 0}}},
		{"malformed after a refusal", true, false, [][]byte{userauth, none}},
		{"malformed after the proof", true, true, [][]byte{noChannel, request}},
		{"requests after the proof", true, true, [][]byte{request}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, Limits{}, func(t *testing.T, s *service, network *memory, key ssh.Signer) {
				// Long enough for the client to send, and the server to read, all.
				s.thinks = time.Second
				if !c.proves {
					key = newSigner(t, ssh.KeyAlgoED25519)
				}
				client := exchangeKeys(t, network.dial(t, near))
				all := client.sealed(userauth)
				if c.offers {
					all = append(all, client.sealed(client.proof(key))...)
				}
				for _, packet := range c.packets {
					all = append(all, client.sealed(packet)...)
				}
				for range 200 { // more than the library keeps
					all = append(all, client.sealed(c.packets[len(c.packets)-1])...)
				}
				client.write(all)
				if _, err := io.Copy(io.Discard, client.conn); err != nil {
					t.Errorf("read: %v", err)
				}
				s.close(t)
				if refused := strings.Contains(s.logged(), "ssh login refused"); refused == c.proves {
					t.Errorf("refused is %v, want %v:\n%s", refused, !c.proves, s.logged())
				}
			})
		})
	}
}

// reading reads all that the connection gives, and tells how much it was.
func reading(conn net.Conn) (total *atomic.Int64, ended <-chan error) {
	total, end := new(atomic.Int64), make(chan error, 1)
	go func() {
		p := make([]byte, 4096)
		for {
			n, err := conn.Read(p)
			total.Add(int64(n))
			if err != nil {
				end <- err
				return
			}
		}
	}()
	return total, end
}

// What the client sends is in clear up to NEWKEYS, and has tags from then on.
func TestReadsNoFurtherThanAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := connected(t, near)
		conn := newPacedConn(server)
		total, ended := reading(conn)
		mustRead := func(want int, when string) {
			t.Helper()
			synctest.Wait()
			if got := int(total.Load()); got != want {
				t.Errorf("%s: %d bytes read, want %d", when, got, want)
			}
		}

		lines := "hello\r\nSSH-2.0-x\r\n"
		inClear, newKeys := padded(make([]byte, 20), 8, 4), padded([]byte{typeNewKeys}, 8, 4)
		sealed := append(padded(make([]byte, 20), 16, 0), make([]byte, tagSize)...)
		sent := append([]byte(lines), inClear...)
		sent = append(sent, newKeys...)
		want := len(sent)
		sent = append(sent, bytes.Repeat(sealed, 100)...)
		if _, err := client.Write(sent); err != nil {
			t.Fatalf("write: %v", err)
		}
		want += (maxAhead - 2) * len(sealed)
		mustRead(want, "before anything was used")
		conn.used()
		conn.used()
		mustRead(want+2*len(sealed), "after two packets were used")
		if _, err := conn.Write([]byte("answer")); err != nil {
			t.Fatalf("write: %v", err)
		}
		mustRead(want+3*len(sealed), "after an answer")
		conn.drain()
		mustRead(want+3*len(sealed), "after the drain")
		select {
		case err := <-ended:
			t.Errorf("read ended before the client: %v", err)
		default:
		}
		_ = client.Close()
		if err := <-ended; err != io.EOF {
			t.Errorf("read behind the client's end: got %v, want %v", err, io.EOF)
		}
	})
}

func TestReadsNoMoreBytesThanAllowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := connected(t, near)
		conn := newPacedConn(server)
		total, ended := reading(conn)
		if _, err := client.Write(append([]byte("SSH-2.0-x\r\n\x00\x04\x00\x00"), make([]byte, 2*maxRead)...)); err != nil {
			t.Fatalf("write: %v", err)
		}
		synctest.Wait()
		if got := total.Load(); got != maxRead {
			t.Errorf("%d bytes read, want %d", got, maxRead)
		}
		_ = conn.Close()
		if err := <-ended; err == nil {
			t.Error("read behind Close: no error")
		}
	})
}

#include "cli/html_write.h"

#include "cli/words.h"

#include <string.h>

/* U+FFFD: something stood here that cannot be shown. */
#define REPLACEMENT "\xef\xbf\xbd"

void
pq_html_text_n(const struct pq_html *h, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
		switch (c) {
		case '&':
			fputs("&amp;", h->out);
			continue;
		case '<':
			fputs("&lt;", h->out);
			continue;
		case '>':
			fputs("&gt;", h->out);
			continue;
		case '"':
			fputs("&quot;", h->out);
			continue;
		case '\'':
			fputs("&#39;", h->out);
			continue;
		case '\n':
			fputs("<br>", h->out);
			continue;
		case '\t':
			fputc(' ', h->out);
			continue;
		default:
			break;
		}
		/* 0xc2 0x80 to 0xc2 0x9f are the control characters beyond ASCII. */
		bool beyond = c == 0xc2 && next >= 0x80 && next <= 0x9f;
		if (c < 0x20 || c == 0x7f || beyond)
			fputs(REPLACEMENT, h->out);
		else
			fputc(c, h->out);
		i += beyond;
	}
}

void
pq_html_text(const struct pq_html *h, const char *text)
{
	pq_html_text_n(h, text, strlen(text));
}

void
pq_html_begin(const struct pq_html *h, const char *id, const char *heading)
{
	fputs("<section", h->out);
	if (id[0] != '\0')
		fprintf(h->out, " id=\"%s\"", id);
	fprintf(h->out, "><h%d>", h->level);
	pq_html_text(h, heading);
	fprintf(h->out, "</h%d>\n", h->level);
}

void
pq_html_end(const struct pq_html *h)
{
	fputs("</section>\n", h->out);
}

static bool
is_listed(const struct pq_html *h, const struct pq_rule_ref *rule)
{
	for (size_t i = 0; i < h->whole->n_rules; i++)
		if (h->whole->rules[i]->index == rule->index)
			return true;
	return false;
}

void
pq_html_rule(const struct pq_html *h, const struct pq_rule_ref *rule)
{
	char period[64];

	if (rule == NULL)
		return;
	bool listed = is_listed(h, rule);
	fputs("<p class=\"source\">", h->out);
	if (listed)
		fprintf(h->out, "<a href=\"#rule-%u\">", (unsigned)rule->index);
	fputs("<span class=\"cite\">", h->out);
	pq_html_text(h, rule->cite);
	fputs(listed ? "</span></a>" : "</span>", h->out);
	fputs(" <code>", h->out);
	pq_html_text(h, rule->file);
	fprintf(h->out, ":%d</code>", (int)rule->line);
	pq_words_period(rule, period, sizeof(period));
	if (period[0] != '\0')
		fprintf(h->out, " <span class=\"period\">in force %s</span>", period);
	fputs("</p>\n", h->out);
}

const char pq_html_style[] =
	":root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--wash:#f6f8fa;--accent:#1f4b7a}"
	"*{box-sizing:border-box}"
	"html{background:#eceff2}"
	"body{margin:0 auto;max-width:60rem;padding:2rem 2.5rem 3rem;background:#fff;color:var(--ink);"
	"font:1rem/1.5 Charter,\"Bitstream Charter\",\"Liberation Serif\",Georgia,serif}"
	"h1,h2,h3,h4,th,.kicker,.period,.tag,nav,dt{font-family:\"Helvetica Neue\",\"Liberation Sans\",Arial,sans-serif}"
	"h1{margin:.1rem 0 .4rem;font-size:1.7rem;line-height:1.2}"
	"h2{margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:2px solid var(--line);font-size:1.15rem}"
	"h3{margin:1.2rem 0 .4rem;font-size:1rem}"
	"h4{margin:1rem 0 .3rem;font-size:.95rem;color:var(--soft)}"
	"p{margin:.3rem 0}"
	"code{font:.82em \"Liberation Mono\",Menlo,Consolas,monospace;color:var(--soft);overflow-wrap:anywhere}"
	".banner{padding:1.1rem 1.4rem 1.2rem;border:1px solid;border-left-width:.6rem;border-radius:4px;"
	"-webkit-print-color-adjust:exact;print-color-adjust:exact}"
	".banner .kicker{margin:0;font-size:.75rem;letter-spacing:.06em;text-transform:uppercase;opacity:.8}"
	".go{background:#e8f5ec;border-color:#1a7f37}.ask{background:#fff6dd;border-color:#9a6700}"
	".stop{background:#fdeceb;border-color:#b42318}.licence{background:#fdf0e6;border-color:#bc5b09}"
	"dl.meta{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:1rem 0 0;font-size:.9rem}"
	"dl.meta dt{color:var(--soft)}dl.meta dd{margin:0;overflow-wrap:anywhere}"
	"ul{margin:.3rem 0;padding-left:1.2rem}li{margin:.45rem 0}"
	"table{width:100%;border-collapse:collapse;font-size:.92rem}"
	"caption{margin:.9rem 0 .3rem;text-align:left;font-weight:bold}"
	"th,td{padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}"
	"th{font-size:.75rem;font-weight:600;color:var(--soft)}"
	"td.name{width:45%}.near td.name{width:32%}.near td:last-child{width:38%}"
	"dd.digest{font:.8em \"Liberation Mono\",Menlo,Consolas,monospace;padding-top:.2em}"
	".source{font-size:.85rem;color:var(--soft)}.source a .cite{color:var(--accent)}"
	".source code{margin-left:.5em}.period{margin-left:.5em;font-size:.75rem}"
	"a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}"
	".tag{display:inline-block;padding:0 .45em;border:1px solid var(--line);border-radius:3px;background:var(--wash);"
	"font-size:.75rem;color:var(--soft)}"
	".open{border-color:#1a7f37;color:#1a7f37}"
	".warning{margin:.6rem 0;padding:.6rem .9rem;border-left:4px solid #9a6700;background:#fff9e8}"
	".part{margin-top:2.6rem;padding:.2rem 1.3rem 1rem;border:1px solid var(--line);border-radius:4px}"
	".part>h2{border:0}"
	"footer{margin-top:3rem;padding-top:.8rem;border-top:2px solid var(--line);font-size:.85rem;color:var(--soft);"
	"overflow-wrap:anywhere}"
	"@media(max-width:40rem){body{padding:1rem}dl.meta{grid-template-columns:1fr}dl.meta dd{margin-bottom:.4rem}}"
	"@page{margin:18mm 16mm}"
	"@media print{html{background:#fff}body{max-width:none;padding:0;font-size:10pt}a{color:inherit}"
	"h2,h3,h4{break-after:avoid}li,tr,.warning,.banner{break-inside:avoid}}";
